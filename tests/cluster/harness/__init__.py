"""A real Kubernetes on this machine, without Docker: built from Go modules, run as processes.

For machines with Docker there is kind, and `FOGBELL_KUBECONFIG` names any other cluster; this is
for all else. One cluster a machine: it owns a bridge, a range of addresses and an nft table.
"""
