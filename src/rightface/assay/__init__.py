"""How well, and how equally well, does it work? Scores and labels; never knows HTTP."""
