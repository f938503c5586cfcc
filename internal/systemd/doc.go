// Package systemd speaks to the service manager that started this process: it tells it how the process fares (sd_notify(3)), and takes over the
// sockets that it has passed on (sd_listen_fds(3)). Where nobody has started the process so, everything here does nothing.
package systemd
