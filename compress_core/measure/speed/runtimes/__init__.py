"""What can run a network: one runtime a file, each a function that makes a `Runnable`."""
