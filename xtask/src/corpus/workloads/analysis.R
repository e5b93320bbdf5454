# A statistician's workspace: data frames, factors, models, strings.
set.seed(4)
n <- 40000
people <- data.frame(id = seq_len(n), age = rpois(n, 40), height = round(rnorm(n, 172, 9), 1),
                     group = factor(sample(letters, n, TRUE)), name = paste("person", seq_len(n) * 7919 %% 10007))
model <- lm(height ~ age + group, data = people[1:4000, ])
by_group <- split(people, people$group)
distances <- dist(matrix(rnorm(1000), 500))
words <- unlist(lapply(Sys.glob("/usr/share/common-licenses/*"), function(path) strsplit(readLines(path, warn = FALSE), " ")))
counts <- table(words)
walks <- lapply(1:50, function(walk) cumsum(rnorm(2000)))
cat("corpus: ready\n")
Sys.sleep(3600)
