"""What happened, as plain records: observations, reasons, recorded columns. A leaf."""
