module moov

go 1.26

require github.com/moov-io/iso20022 v0.2.1
