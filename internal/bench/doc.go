// Package bench measures Muster beside a bare loop that sends the same requests to the same target,
// in one run: figures that stand alone say more about the machine than about the program. It has
// benchmarks and no code; `make bench` runs them and prints the table of docs/performance.md.
package bench
