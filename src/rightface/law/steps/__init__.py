"""The gate's steps 0 to 6, one module each. Each looks at a `World` and returns a `StepResult`."""
