"""Documents before they run: limits, cost, prices."""
