package executor

var conventionTries []try // calls of 32-bit programs take another mode of the processor
