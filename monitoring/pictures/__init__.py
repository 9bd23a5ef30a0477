"""Pictures of the dashboards for the documentation, drawn from what a real Prometheus has answered.

``make dashboards`` records the answers while the tests make each fault, and draws them.
"""
