package cardtest

// Serve plays a card on any connection.
var Serve = serve
