"""Programs that tests run beside the daemon or around it: browsers, poolers, proxies, hosts, containers."""
