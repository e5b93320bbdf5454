// What native programs hold: arrays of structures of floats, trees, hash tables, strings, images.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <unistd.h>
#include <vector>

struct Vector { float x, y, z; };
struct Particle { Vector position, velocity; std::uint32_t color; float age; std::uint16_t kind, flags; };
struct Body { virtual ~Body() = default; double mass = 1; Vector at{}; Body* parent = nullptr; };
struct Ship : Body { std::string name; std::vector<std::uint32_t> cargo; };
struct Vertex { Vector position, normal; float u, v; };

int main() {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    std::vector<Particle> particles;
    for (int at = 0; at < 60000; at++) {
        Vector position{normal(random) * 100, normal(random) * 100, 0};
        Vector velocity{normal(random), normal(random), -9.81F};
        particles.push_back({position, velocity, 0xff000000U | random() % 4096, at / 60.0F, std::uint16_t(at % 7), 1});
    }
    std::vector<std::unique_ptr<Body>> bodies;
    std::map<std::string, Ship*> by_name;
    for (int at = 0; at < 20000; at++) {
        auto ship = std::make_unique<Ship>();
        ship->name = "ship of class " + std::to_string(random() % 10000);
        ship->cargo.assign(random() % 12, at);
        ship->parent = bodies.empty() ? nullptr : bodies[random() % bodies.size()].get();
        by_name[ship->name] = ship.get();
        bodies.push_back(std::move(ship));
    }
    std::unordered_map<std::uint64_t, std::list<std::uint32_t>> cells;
    for (std::uint32_t at = 0; at < 60000; at++)
        cells[std::uint64_t(particles[at].position.x) << 32 | std::uint32_t(particles[at].position.y)].push_back(at);
    std::vector<Vertex> mesh;
    std::vector<std::uint16_t> indices;
    for (int row = 0; row < 200; row++)
        for (int column = 0; column < 200; column++) {
            float height = std::sin(row / 9.0F) * std::cos(column / 7.0F);
            mesh.push_back({{row * 0.5F, height, column * 0.5F}, {0, 1, 0}, row / 200.0F, column / 200.0F});
            if (row && column) for (int corner : {0, -1, -200, -1, -201, -200}) indices.push_back(row * 200 + column + corner);
        }
    std::vector<std::uint8_t> texture(512 * 512 * 4);
    for (std::size_t at = 0; at < texture.size(); at += 4) {
        float shade = 128 + 100 * std::sin(at / 900.0F) + 6 * normal(random);
        texture[at] = texture[at + 1] = std::uint8_t(shade);
        texture[at + 2] = std::uint8_t(shade / 2);
        texture[at + 3] = 255;
    }
    std::puts("corpus: ready");
    std::fflush(stdout);
    pause();
    return int(by_name.size() + cells.size() + mesh.size());
}
