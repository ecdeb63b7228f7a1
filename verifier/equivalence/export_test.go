package equivalence

// Aligned tells which instructions were inserted.
var Aligned = aligned
