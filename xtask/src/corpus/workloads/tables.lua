-- The tables, strings and closures of a game script.
local entities, grid, names = {}, {}, {}
local seed = 1
local function random(limit)
  seed = (seed * 1103515245 + 12345) % 2147483648
  return math.floor(seed / 65536) % limit
end
for number = 1, 20000 do
  names[number] = "entity_" .. random(100000)
  entities[number] = {
    name = names[number], x = random(6400) / 10, y = random(4800) / 10, health = random(100),
    inventory = { random(50), random(50), random(50) },
    update = function(self, dt) self.x = self.x + dt * number end,
  }
end
for row = 1, 300 do
  grid[row] = {}
  for column = 1, 300 do grid[row][column] = random(9) == 0 and random(1000) or 0 end
end
for step = 1, 20 do
  for _, entity in ipairs(entities) do entity:update(0.016) end
end
local lines = {}
for number = 1, 20000 do lines[number] = string.format("%s;%d;%g", names[number], number, number / 3) end
print("corpus: ready")
io.stdout:flush()
io.read("a")
