"""Reports beside scans: a library searched by sentence or by scan, drafts, answers and figures."""
