"""The letters of Zeek's conn.log: how a connection went, and what each end sent."""
