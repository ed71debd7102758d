"""Who has which link-layer address: ARP exchanges and the table they build, IPv6 neighbour discovery."""
