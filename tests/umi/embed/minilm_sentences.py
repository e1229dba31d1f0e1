"""What people say to each other, and what they ask: sentences of our own for comparing MiniLM with its reference.

Several sentences touch each matter, so that ranks have something to confuse.
"""

SENTENCES = """
My sister moved to Lisbon last spring.
We adopted a grey cat and called her Biscuit.
The bakery on the corner sells rye bread on Fridays.
I have been learning the cello for three years.
Our flight to Oslo was cancelled because of snow.
Tom repairs old typewriters in his garage.
The dentist said I should come back in six months.
She wants to become a marine biologist.
I can't eat peanuts, they make my throat swell.
The kitchen tap has been dripping since Monday.
My brother got a job at a shipyard in Gdansk.
Biscuit knocked the vase off the shelf again.
I bought a second-hand bicycle with a wooden basket.
The meeting was moved from Tuesday to Thursday.
Grandmother's recipe needs two cups of buckwheat.
We painted the nursery a pale yellow.
The orchestra plays Dvorak in the park tonight.
He broke his wrist while skating.
Rent goes up by fifty euros in January.
I finally passed my driving test.
The team switched from Java to Rust this year.
My daughter's first word was "moon".
There is a leak in the roof above the stairs.
Mira teaches history at the evening school.
I am allergic to pollen, so spring is hard for me.
The dog next door barks every morning at six.
We spent a week hiking in the Tatra mountains.
The database was down for twenty minutes on Sunday.
Her favourite colour has always been teal.
They got married in a lighthouse.
I stopped drinking coffee after lunch.
The library lends telescopes now.
His violin was made in Cremona.
We are saving for a houseboat.
The new manager asked for weekly reports.
My knee hurts when I run downhill.
Lena collects postcards of bridges.
The train from Vienna arrives at nine.
Dad planted three apple trees behind the barn.
I am reading a novel about lighthouse keepers.
The children built a raft out of barrels.
Our internet provider raised its prices again.
She speaks Finnish with her mother.
The vet gave the cat drops for her ears.
Paul's startup makes sensors for beehives.
I lost my umbrella on the tram.
The exhibition about glass opens in May.
We had soup and dumplings for dinner.
He prefers tea without sugar.
The printer jams whenever it is damp.
My cousin is studying law in Krakow.
The garden flooded after the storm.
I promised to water Mira's plants in August.
The band needs a new drummer.
Tom found a typewriter from 1912 at the flea market.
The river froze for the first time in ten years.
I wake up early to swim before work.
The contract ends on the last day of March.
Our neighbours are moving to Canada.
She ran her first marathon in Porto.
The quarterly budget was approved without changes.
I keep bees on the roof of the office.
The museum is free on the first Sunday of the month.
My phone battery hardly lasts a day.
He grew up on a farm with forty sheep.
We are out of flour and eggs.
The students protested against higher fees.
Biscuit sleeps on the radiator in winter.
I dream of visiting Patagonia.
The choir sings in four languages.
Her thesis is about the migration of eels.
The lift is broken, take the stairs.
We plant garlic in October.
The new release fixes the login problem.
Uncle Viktor was a lighthouse keeper.
I prefer trains to planes.
The cello needs new strings.
My appointment at the bank is on Wednesday.
The cheese from that valley smells awful and tastes great.
They named the boat after their aunt.
""".strip().splitlines()
QUESTIONS = """
Where does my sister live?
What is the name of the cat?
Which instrument am I learning?
Why didn't we fly to Oslo?
What does Tom do in his garage?
What food must I avoid?
When is the meeting?
Where does my brother work?
Which programming language does the team use?
What was the baby's first word?
Who teaches history?
What are they allergic to?
Where did we go hiking?
What is her favourite colour?
Where was the wedding?
What does Lena collect?
When does the train from Vienna come?
What fruit grows behind the barn?
Which languages does she speak?
What does Paul's company build?
What did I lose on the tram?
How does he take his tea?
What is broken in the house?
What does my cousin study?
Who are moving abroad?
Which race did she run?
When does the contract end?
What animals are on the roof of the office?
What is her thesis about?
Who kept a lighthouse?
What happened to the database?
What does the cat do in winter?
Which trip do I dream of?
When do we plant garlic?
What did the dentist say?
What do we save money for?
Where was the violin made?
What costs more than before?
What sports do I do in the morning?
Which appliance makes trouble?
""".strip().splitlines()
