/*
 * Baseline Huffman decoding with larger tables before libjpeg-turbo's own, which decodes whatever is rare: the ends of the
 * input and of its segments. Its state is not for others to see, so its source is part of this file.
 */
#define jinit_huff_decoder jinit_plain_huff_decoder
#include "jdhuff.c"
#undef jinit_huff_decoder

#define INDEX_BITS 10
/* A bit_reader stays in registers only if no function gets its address. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/*
 * For the next INDEX_BITS bits, where they hold a code and the number after it: the number in the upper 16 bits, the zeros
 * before it in 8 bits, and how many bits both took in 8 bits. 0 where they do not fit.
 */
typedef int symbol_table[1 << INDEX_BITS];

static struct {
  symbol_table dc[NUM_HUFF_TBLS], ac[NUM_HUFF_TBLS];
} *tables;
static const int *dc_of_block[D_MAX_BLOCKS_IN_MCU], *ac_of_block[D_MAX_BLOCKS_IN_MCU];
static boolean all_needed;

/* The code at the top of `bits`, INDEX_BITS of them: its length and symbol as in d_derived_tbl.lookup, or 0 if it is longer. */
static int code_of(const d_derived_tbl *table, int bits) {
  int found = table->lookup[bits >> (INDEX_BITS - HUFF_LOOKAHEAD)];
  if (found >> HUFF_LOOKAHEAD <= HUFF_LOOKAHEAD) return found;
  for (int length = HUFF_LOOKAHEAD + 1; length <= INDEX_BITS; length++) {
    int code = bits >> (INDEX_BITS - length);
    if (code <= table->maxcode[length]) {
      return length << HUFF_LOOKAHEAD | table->pub->huffval[(code + table->valoffset[length]) & 0xff];
    }
  }
  return 0;
}

static void fill_table(symbol_table symbols, const d_derived_tbl *table) {
  for (int bits = 0; bits < 1 << INDEX_BITS; bits++) {
    int code = code_of(table, bits), zeros = code >> 4 & 15, size = code & 15;
    int length = (code >> HUFF_LOOKAHEAD) + size;
    symbols[bits] = 0;
    if (code == 0 || length > INDEX_BITS) continue;
    int number = bits >> (INDEX_BITS - length) & ((1 << size) - 1);
    if (size > 0) number = HUFF_EXTEND(number, size);
    symbols[bits] = (int)((unsigned)number << 16) | zeros << 8 | length;
  }
}

static void start_pass(j_decompress_ptr info) {
  start_pass_huff_decoder(info);
  huff_entropy_ptr entropy = (huff_entropy_ptr)info->entropy;
  for (int i = 0; i < info->comps_in_scan; i++) {
    const jpeg_component_info *component = info->cur_comp_info[i];
    fill_table(tables->dc[component->dc_tbl_no], entropy->dc_derived_tbls[component->dc_tbl_no]);
    fill_table(tables->ac[component->ac_tbl_no], entropy->ac_derived_tbls[component->ac_tbl_no]);
  }
  all_needed = TRUE;
  for (int block = 0; block < info->blocks_in_MCU; block++) {
    const jpeg_component_info *component = info->cur_comp_info[info->MCU_membership[block]];
    dc_of_block[block] = tables->dc[component->dc_tbl_no];
    ac_of_block[block] = tables->ac[component->ac_tbl_no];
    all_needed &= entropy->dc_needed[block] && entropy->ac_needed[block];
  }
}

/* Bits read ahead of `next`: the upper `count` of `bits`, over zeros. */
typedef struct {
  unsigned long long bits;
  int count;
  const JOCTET *next;
} bit_reader;

/* Of 1 bit or more. */
static ALWAYS_INLINE int peek(const bit_reader *reader, int count) { return (int)(reader->bits >> (64 - count)); }

static ALWAYS_INLINE void drop(bit_reader *reader, int count) {
  reader->bits <<= count;
  reader->count -= count;
}

static ALWAYS_INLINE int get(bit_reader *reader, int count) {
  int value = peek(reader, count);
  drop(reader, count);
  return value;
}

/* 32 bits more, byte by byte for stuffed zeros; FALSE where a marker comes. */
static ALWAYS_INLINE boolean fill_over_ff(bit_reader *reader) {
  for (int i = 0; i < 4; i++) {
    JOCTET byte = *reader->next++;
    if (byte == 0xff && *reader->next++ != 0) return FALSE;
    reader->count += 8;
    reader->bits |= (unsigned long long)byte << (64 - reader->count);
  }
  return TRUE;
}

/* Makes at least 32 bits ready, enough for a code and its number. */
static ALWAYS_INLINE boolean fill(bit_reader *reader) {
  if (reader->count >= 32) return TRUE;
  unsigned int four;
  memcpy(&four, reader->next, 4);
  if ((~four - 0x01010101u) & four & 0x80808080u) return fill_over_ff(reader);
  reader->bits |= (unsigned long long)__builtin_bswap32(four) << (32 - reader->count);
  reader->count += 32;
  reader->next += 4;
  return TRUE;
}

/* A code that no table above holds with its number. Returns its symbol; 0, as libjpeg does, where there is no such code. */
static ALWAYS_INLINE int long_code(bit_reader *reader, const d_derived_tbl *table) {
  int found = table->lookup[peek(reader, HUFF_LOOKAHEAD)], length = found >> HUFF_LOOKAHEAD;
  int code = get(reader, length);
  if (length <= HUFF_LOOKAHEAD) return found & 0xff;
  while (code > table->maxcode[length]) {
    code = code << 1 | get(reader, 1);
    length++;
  }
  return length > 16 ? 0 : table->pub->huffval[(code + table->valoffset[length]) & 0xff];
}

static ALWAYS_INLINE int number_after(bit_reader *reader, int size) {
  int number = get(reader, size);
  return HUFF_EXTEND(number, size);
}

/* One MCU out of what is in the buffer, without a look for its end; FALSE, and nothing changed, where a marker is in it. */
static boolean decode_buffered(j_decompress_ptr info, JBLOCKROW *blocks) {
  huff_entropy_ptr entropy = (huff_entropy_ptr)info->entropy;
  savable_state saved = entropy->saved;
  int count = entropy->bitstate.bits_left;
  /* The entropy decoder's own bits are the lower ones. */
  bit_reader reader = {count == 0 ? 0 : entropy->bitstate.get_buffer << (64 - count), count, info->src->next_input_byte};
  for (int block = 0; block < info->blocks_in_MCU; block++) {
    JCOEF *coefficients = blocks[block][0];
    const int *symbols = dc_of_block[block];
    if (!fill(&reader)) return FALSE;
    int symbol = symbols[peek(&reader, INDEX_BITS)], difference = symbol >> 16;
    if (symbol != 0) {
      drop(&reader, symbol & 0xff);
    } else {
      int size = long_code(&reader, entropy->dc_cur_tbls[block]);
      difference = size == 0 ? 0 : number_after(&reader, size);
    }
    int component = info->MCU_membership[block];
    saved.last_dc_val[component] = (int)((unsigned)saved.last_dc_val[component] + (unsigned)difference);
    coefficients[0] = (JCOEF)saved.last_dc_val[component];

    symbols = ac_of_block[block];
    for (int k = 1; k < DCTSIZE2; k++) {
      if (!fill(&reader)) return FALSE;
      symbol = symbols[peek(&reader, INDEX_BITS)];
      int zeros = symbol >> 8 & 0xff, number = symbol >> 16;
      if (symbol != 0) {
        drop(&reader, symbol & 0xff);
      } else {
        int code = long_code(&reader, entropy->ac_cur_tbls[block]), size = code & 15;
        zeros = code >> 4;
        number = size == 0 ? 0 : number_after(&reader, size);
      }
      k += zeros;
      if (number != 0) {
        coefficients[jpeg_natural_order[k]] = (JCOEF)number;
      } else if (zeros != 15) {
        break;
      }
    }
  }
  info->src->bytes_in_buffer -= (size_t)(reader.next - info->src->next_input_byte);
  info->src->next_input_byte = reader.next;
  entropy->bitstate.get_buffer = reader.count == 0 ? 0 : reader.bits >> (64 - reader.count);
  entropy->bitstate.bits_left = reader.count;
  entropy->saved = saved;
  return TRUE;
}

static boolean decode_blocks(j_decompress_ptr info, JBLOCKROW *blocks) {
  huff_entropy_ptr entropy = (huff_entropy_ptr)info->entropy;
  boolean at_restart = info->restart_interval > 0 && entropy->restarts_to_go == 0;
  if (!at_restart && all_needed && !entropy->pub.insufficient_data && info->unread_marker == 0 &&
      info->src->bytes_in_buffer >= (size_t)(BUFSIZE * info->blocks_in_MCU) && decode_buffered(info, blocks)) {
    if (info->restart_interval > 0) entropy->restarts_to_go--;
    return TRUE;
  }
  return decode_mcu(info, blocks);
}

void jinit_huff_decoder(j_decompress_ptr info) {
  jinit_plain_huff_decoder(info);
  tables = (*info->mem->alloc_small)((j_common_ptr)info, JPOOL_IMAGE, sizeof *tables);
  info->entropy->start_pass = start_pass;
  info->entropy->decode_mcu = decode_blocks;
}
