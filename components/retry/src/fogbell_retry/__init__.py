"""Fogbell's sweep: releases whatever has come due, for one window, then exits."""
