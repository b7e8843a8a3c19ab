package sqlstore

// Finding is something that Check found wrong.
type Finding struct {
	Rule    string // what should hold
	Subject string // the id of what breaks it
	Detail  string
}
