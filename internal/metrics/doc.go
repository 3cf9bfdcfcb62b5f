// Package metrics measures what Muster does, in the form of Prometheus. What happens is counted as it
// happens, in this process; how things stand is read from the database when somebody asks, with a fixed
// number of queries. Labels name applications, actions and codes, never a person.
//
// Start at [New].
package metrics
