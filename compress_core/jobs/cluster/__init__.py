"""Jobs on a Ray cluster: a process here for each job, which asks the cluster over REST and unpickles nothing.

`bridge` runs here in the place of a worker, `driver` on the cluster. Only `driver` and `on_ray` import Ray.
"""
