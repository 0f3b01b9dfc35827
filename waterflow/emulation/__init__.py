"""What every emulator of a cloud stands on: all of it but a vendor's own wire and semantics.

An emulator has two sides. `process.EmulatorProcess` is what its user holds: it starts the
service's process, says how to reach it, and ends it. `service.Service` is that process: it puts
the vendor's parts and WSGI application behind a middleware where faults strike, on a server with or
without TLS, and keeps their state. `door.Door` answers at the cloud's own host names. The rest
serves jobs: `site`, `jobs`, `cluster`, `sandbox`, `isolation`, `images`; and the API: `clock`,
`schedules`, `tokens`, `paging`.
"""
