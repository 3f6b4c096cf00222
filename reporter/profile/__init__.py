"""Run it: ModelSpec → ModelResult, inside a worker; the only room with torch and the user's code.

It imports the standard library, torch and, of ours, only records and errors, so that it can be
taken along into any environment that has torch.
"""
