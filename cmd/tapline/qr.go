package main

import (
	"strings"

	"rsc.io/qr"
)

// blocks draws a QR code with characters, light on dark as terminals are, each of which is two modules high.
func blocks(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", err
	}
	const margin = 4 // ISO/IEC 18004 §9.1
	var out strings.Builder
	for y := -margin; y < code.Size+margin; y += 2 {
		for x := -margin; x < code.Size+margin; x++ {
			switch top, below := code.Black(x, y), code.Black(x, y+1); {
			case top && below:
				out.WriteString(" ")
			case top:
				out.WriteString("▄")
			case below:
				out.WriteString("▀")
			default:
				out.WriteString("█")
			}
		}
		out.WriteString("\n")
	}
	return out.String(), nil
}
