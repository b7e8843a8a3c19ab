package pcsc

import "github.com/ebitengine/purego"

// serviceHint says what to do without a service.
const serviceHint = "unplug the reader and plug it in again"

// framework is the PC/SC library of macOS.
const framework = "/System/Library/Frameworks/PCSC.framework/PCSC"

// load loads the framework. Its DWORD has 32 bits, and pcsclite.h of its headers packs SCARD_READERSTATE.
func load() (*winscard, error) {
	library, err := purego.Dlopen(framework, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, err
	}
	return &winscard{
		word: 4, atr: 33, packed: true,
		call: func(function string, arguments ...uintptr) Code {
			symbol, err := purego.Dlsym(library, function)
			if err != nil {
				return NoService
			}
			result, _, _ := purego.SyscallN(symbol, arguments...)
			return Code(result)
		},
	}, nil
}
