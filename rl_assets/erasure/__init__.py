"""What an erasure would take, the ledger of what was ordered and done, and the certificate that proves it."""
