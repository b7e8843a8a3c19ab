package cardtest

import (
	"net"

	"golang.org/x/sys/unix"
)

// quickAck sets TCP_QUICKACK, which lasts until the kernel changes its mind (tcp(7)). Without it, all still works.
func quickAck(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
}
