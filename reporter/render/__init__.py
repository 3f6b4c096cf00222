"""Say it well: Comparison → ReportView → text; the only room that chooses words and digits."""
