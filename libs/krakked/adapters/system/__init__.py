"""The machine itself: its clock, and later its entropy."""
