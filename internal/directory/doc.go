// Package directory says what Muster knows of people: users and groups as SCIM resources, and the
// table of attributes they may have.
//
// It holds values and rules about them (names of attributes, their types, what makes two names
// equal) and touches neither disk nor network: package store keeps the directory, package source
// feeds it. Start at [User], [Group] and [Schema].
package directory
