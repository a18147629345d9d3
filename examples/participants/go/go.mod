module backstep.example/flights

go 1.19

require modernc.org/sqlite v1.20.4
