package pcsc

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// serviceHint says what to do without a service.
const serviceHint = "is a reader plugged in, and does the service \"Smart Card\" run?"

// load finds winscard.dll in the system's folder, and nowhere else.
func load() (*winscard, error) {
	library := windows.NewLazySystemDLL("winscard.dll")
	if err := library.Load(); err != nil {
		return nil, err
	}
	return &winscard{
		word: 4, atr: 36, suffix: "A", idle: []Code{NoService, ServiceStopped}, // the service runs while there are readers
		call: func(function string, arguments ...uintptr) Code {
			procedure := library.NewProc(function)
			if procedure.Find() != nil {
				return NoService
			}
			result, _, _ := syscall.SyscallN(procedure.Addr(), arguments...)
			return Code(result)
		},
	}, nil
}
