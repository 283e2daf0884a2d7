"""The queue side: jobs and their states, the stores, and the workers that run them."""
