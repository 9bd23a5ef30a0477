"""Everything Fogbell asks of MongoDB, and the only package that imports its driver.

Plain functions that take a `Database`. The day the driver changes, only this folder does
(docs/decisions/0001-motor.md).
"""
