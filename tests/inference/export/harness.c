/* Opens damaged files of parameters in one process: `harness FILE COUNT SEED`. Half of them have their checksum put right
   again, so that what lies behind it is tested too. Whatever is accepted must encode a text and read it. */

#include <setjmp.h>
#include <stdlib.h>

static jmp_buf refused;
#define exit(code) longjmp(refused, 1)
#define main run_main
#include RUN_C
#undef main
#undef exit

static uint64_t next(uint64_t *state) {     /* splitmix64 */
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void use(const Model *m) {
    const char *text = "Había 12 veces 'll\xFF \n\n una ſ";
    Ids ids = {0};
    State s;
    Sampler sampler = {.temperature = 0.9, .top_p = 0.9};
    if (m->head->context < 64) return;
    if (m->chat_bytes[0]) add_question(m, 0, text, strlen(text), &ids);
    encode(m, (const uint8_t *)text, strlen(text), &ids);
    new_state(&s, m, 64);
    seed(&sampler, 1);
    if (!ids.count || ids.count > 32) return;
    read_batch(&s, ids.ids, (int)ids.count);
    size_t n;
    token_bytes(m, choose(&sampler, s.logits, m->head->tokens), &n);
}

int main(int count, char **words) {
    FILE *file = fopen(words[1], "rb");
    static volatile long accepted = 0;
    static uint64_t state;
    state = strtoull(words[3], NULL, 10);
    fseek(file, 0, SEEK_END);
    volatile long size = ftell(file);
    rewind(file);
    uint8_t *whole = malloc((size_t)size), *volatile damaged = NULL;
    if (count != 4 || fread(whole, 1, (size_t)size, file) != (size_t)size) return 3;
    volatile long header = (long)((const Header *)whole)->header_bytes, rounds = strtol(words[2], NULL, 10);
    if (!freopen("/dev/null", "w", stderr)) return 3;
    for (volatile long i = 0; i < rounds; i++) {
        long now = next(&state) % 8 ? size : (long)(next(&state) % (uint64_t)size) + 1;
        if (posix_memalign((void **)(void *)&damaged, 64, (size_t)now)) return 3;
        memcpy(damaged, whole, (size_t)now);
        for (uint64_t flips = 1 + next(&state) % 4; flips--;) {
            uint64_t limit = next(&state) % 2 ? sizeof(Header) : (uint64_t)header, at = next(&state) % limit;
            uint8_t kinds[] = {(uint8_t)next(&state), 0, 0xFF, (uint8_t)(damaged[at % (uint64_t)now] + 1)};
            damaged[at % (uint64_t)now] = kinds[next(&state) % 4];
        }
        Header *h = (Header *)damaged;
        if (now >= (long)sizeof(Header) && next(&state) % 2 && h->header_bytes >= 16 && h->header_bytes <= (uint64_t)now)
            h->file_bytes = (uint64_t)now, h->checksum = checksum(damaged + 16, h->header_bytes - 16);
        Model m;
        if (!setjmp(refused)) {
            read_model(&m, damaged, (uint64_t)now);
            accepted++;
            use(&m);
        }
        free(damaged);
    }
    printf("%ld\n", accepted);
    return 0;
}
