"""The fault lab: a stack of its own is broken on purpose, and the promises are checked from its stores."""
