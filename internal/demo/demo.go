// Package demo holds a made-up company to try Muster on: 200 people in CSV, and 60 of a company it has just bought in LDIF.
//
// It is data and no code. The files are made by the generator in company_test.go (go test ./internal/demo -update), which
// also tests that they are what it makes. Nobody in them exists; their e-mail and phone numbers are of ranges kept for examples.
package demo

import _ "embed"

// CompanyCSV is the company as CSV: people of example.org in many scripts, a tree of managers from ada@example.org down, groups of
// departments, offices, leads and everyone, some who have left.
//
//go:embed company.csv
var CompanyCSV []byte

// CompanyLDIF is the other company as LDIF, the export of its LDAP server: people of example.net and their groups.
//
//go:embed company.ldif
var CompanyLDIF []byte
