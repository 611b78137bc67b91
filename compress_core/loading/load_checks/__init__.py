"""One file each: what a network is asked when it is loaded, and what is said or locked after its answer."""
