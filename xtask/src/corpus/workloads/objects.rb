# What a Ruby web application holds: models, hashes with symbol keys, strings, a text index.
Post = Struct.new(:id, :title, :body, :tags, :author)
class Author
  attr_reader :name, :posts
  def initialize(name) = (@name, @posts, @settings = name, [], { theme: "dark", page: name.size })
end
authors = (0...500).map { |n| Author.new("author #{n * 7919 % 1000}") }
posts = (0...20_000).map do |n|
  author = authors[n * 31 % authors.size]
  post = Post.new(n, "Title #{n}", "paragraph #{n % 77} " * (n % 12), [:news, :"tag#{n % 40}"], author)
  author.posts << post
  post
end
index = Hash.new { |hash, key| hash[key] = [] }
Dir["/usr/share/common-licenses/*", "/usr/lib/ruby/3.1.0/*.rb"].sort.each do |path|
  File.read(path, encoding: "BINARY").scan(/\w+/).each_with_index { |word, at| index[word] << at }
end
rows = posts.map { |post| { id: post.id, title: post.title, rank: post.id / 3.0, by: post.author.name } }
puts "corpus: ready"
$stdout.flush
sleep 3600
p index.size + rows.size
