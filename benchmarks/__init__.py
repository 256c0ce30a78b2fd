"""Each peer beside us in one run; never a part of the tests, for a clock proves nothing twice."""
