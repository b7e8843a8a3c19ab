//go:build !linux

package cardtest

import "net"

func quickAck(net.Conn) {}
