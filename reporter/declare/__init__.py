"""What to measure: the manifest's text → Manifest; arguments → Settings."""
