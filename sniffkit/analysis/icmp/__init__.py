"""ICMP: echo requests with their replies, and errors with the packet they quote."""
