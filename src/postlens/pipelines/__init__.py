"""Sources to answers on one machine: ingest, plan, run, answer, report."""
