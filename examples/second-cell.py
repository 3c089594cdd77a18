# second-cell.py - goes on where first-cell.py failed: its variables are still there.
# cellblock run -s first examples/second-cell.py
rise = mean_of(2001) - mean_of(1959)
print(f"still here: CO2 rose by {rise:.1f} ppm from 1959 to 2001")
