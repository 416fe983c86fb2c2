//! What is remembered of each page: a few bytes each, in chunks, so that growing never copies.

/// A note never crosses the end of its chunk, so no note may be longer.
const CHUNK: usize = 256 << 10;
/// Entries of a chunk of the index.
const ENTRIES: usize = 16 << 10;

/// Where a note begins. None begins at 0.
pub(super) type Place = u32;

/// Notes by page number.
#[derive(Debug, Default)]
pub(super) struct Notes {
    chunks: Vec<Vec<u8>>,
    index: Vec<Vec<Place>>,
    pages: usize,
}

impl Notes {
    /// The next page comes, without a note for now.
    pub(super) fn begin_page(&mut self) {
        if self.pages.is_multiple_of(ENTRIES) {
            self.index.push(Vec::with_capacity(ENTRIES));
        }
        self.pages += 1;
        if let Some(last) = self.index.last_mut() {
            last.push(0);
        }
    }

    /// Keeps the note of a page that has begun. `None` where there is no room left in the numbers.
    pub(super) fn keep(&mut self, page: u32, note: &[u8]) -> Option<Place> {
        let place = self.append(note)?;
        let page = usize::try_from(page).ok()?;
        *self.index.get_mut(page / ENTRIES)?.get_mut(page % ENTRIES)? = place;
        Some(place)
    }

    fn append(&mut self, note: &[u8]) -> Option<Place> {
        if self.chunks.last().is_none_or(|chunk| chunk.len() + note.len() > CHUNK) {
            let mut chunk = Vec::with_capacity(CHUNK);
            // So that no note begins at 0.
            chunk.push(0);
            self.chunks.push(chunk);
        }
        let before = self.chunks.len() - 1;
        let chunk = self.chunks.last_mut()?;
        let place = before * CHUNK + chunk.len();
        let fits = chunk.len() + note.len() <= CHUNK;
        chunk.extend_from_slice(note.get(..note.len().min(CHUNK - chunk.len()))?);
        Place::try_from(place).ok().filter(|_| fits)
    }

    /// The note of a page, and whatever follows it.
    pub(super) fn of(&self, page: u32) -> Option<&[u8]> {
        let page = usize::try_from(page).ok()?;
        let place = *self.index.get(page / ENTRIES)?.get(page % ENTRIES)?;
        self.at(place)
    }

    pub(super) fn at(&self, place: Place) -> Option<&[u8]> {
        let place = usize::try_from(place).ok().filter(|&place| place > 0)?;
        self.chunks.get(place / CHUNK)?.get(place % CHUNK..)
    }

    /// The bytes of memory that it holds.
    pub(super) fn memory(&self) -> usize {
        self.chunks.len() * CHUNK + self.index.len() * ENTRIES * size_of::<Place>()
    }
}
