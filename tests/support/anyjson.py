"""Whatever JSON a provider may come up with."""

from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["code", "sid", "status", "error", "details", "errorCode", "error_code"]
            )
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
"""Values; keys that providers use come often."""
