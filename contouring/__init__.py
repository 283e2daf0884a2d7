"""The data path from a CT series to an RTSTRUCT: pure, without web, queue or torch."""
