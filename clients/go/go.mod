module conversation

go 1.23
