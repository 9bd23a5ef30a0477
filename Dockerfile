# One file for every component: docker build --build-arg COMPONENT=intake --tag fogbell-intake .
# BASE may be any Debian 12 with Python 3.11 and its venv module. docs/development.md says more.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG COMPONENT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN test -n "${COMPONENT}" || { echo "Say which: --build-arg COMPONENT=intake" >&2; exit 1; }
# pip stays here: what is copied into the image below has none.
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/fogbell
COPY requirements/images/build.txt requirements/images/${COMPONENT}.txt /src/requirements/
RUN /build/bin/pip install --quiet --require-hashes -r /src/requirements/build.txt \
    && /build/bin/pip --python /opt/fogbell/bin/python3 install --quiet --require-hashes \
        -r /src/requirements/${COMPONENT}.txt
# The packages above are a layer that a change of code leaves alone.
COPY components/core /src/components/core
COPY components/${COMPONENT} /src/components/${COMPONENT}
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /src/wheels \
        /src/components/core /src/components/${COMPONENT} \
    && /build/bin/pip --python /opt/fogbell/bin/python3 install --quiet --no-deps /src/wheels/*.whl \
    && ln -s "fogbell-${COMPONENT}" /opt/fogbell/bin/component

FROM ${BASE}
ARG BASE
ARG COMPONENT
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fogbell-${COMPONENT}" \
      org.opencontainers.image.description="Fogbell, a notification system for Kubernetes: ${COMPONENT}" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/fogbell /opt/fogbell
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /tmp
ENV HOME=/tmp PATH=/opt/fogbell/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
EXPOSE 8080 9090
ENTRYPOINT ["/opt/fogbell/bin/component"]
