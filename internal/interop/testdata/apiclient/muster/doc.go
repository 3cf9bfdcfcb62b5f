// Package muster is what the generator makes of the document.
package muster
